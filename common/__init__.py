"""Shared code of the course: data, models, training, metrics and plots, imported module by module."""
