"""How decisions become history: the single writer, its journal, and reading it again."""
