"""What everything stands on: errors, files, documents, parameters, processes."""
