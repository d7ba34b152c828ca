"""What every stage depends on, so as little as can be: each line of it is a dependency of all."""
