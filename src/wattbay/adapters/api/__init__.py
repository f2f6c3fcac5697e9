"""The REST and WebSocket interface: people and programs on one side, commands and views behind."""
