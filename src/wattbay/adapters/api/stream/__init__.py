"""The stream: what happens, told over WebSocket to whoever may hear it, as it happens."""
