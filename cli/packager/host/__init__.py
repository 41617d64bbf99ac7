"""The host outside the store: units, users, kernel settings, and what of them is done."""
