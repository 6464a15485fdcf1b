"""Several sources as one, or one read ahead."""
