"""What both wings stand on: types, opening a source, checking arguments."""
