"""Settings of every test."""

import os

# two threads on a busy machine are many times slower than one; torch reads this when it is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")
