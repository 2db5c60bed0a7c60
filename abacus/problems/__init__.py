"""Arithmetic problems: the category table, their operands and workings, samples of them."""
