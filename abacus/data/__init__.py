"""Rows, conversations and reading questions: read, judged, chosen, written."""
