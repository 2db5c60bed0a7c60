"""A finished run as one page to look at: figures, tables, every answer; `report/index.html` and pictures for documents."""
