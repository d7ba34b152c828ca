"""A model: from its params to a module, the samples that it is given, and the room that it takes."""
