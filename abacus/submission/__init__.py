"""A finished run in the form that the contest asks for."""
