"""Is this certificate genuine? From scans of its sheets and the municipality's keys, without any network."""
