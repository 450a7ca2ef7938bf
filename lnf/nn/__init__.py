"""Networks: recurrences, position look-ups, dropout."""
