"""Decoding, one file a kind of media: a file of any size and rate in, an array of one shape out."""


class MediaError(Exception):
    """A media file that cannot be decoded, with the reason in words."""
