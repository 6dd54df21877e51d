"""No models of its own yet: the module lets first data be made after every other app's."""
