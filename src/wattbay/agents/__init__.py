"""Who trades: agents see views and return commands."""
