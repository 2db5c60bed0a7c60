"""Arithmetic problems: the category table, their workings, English problems, sampling."""
