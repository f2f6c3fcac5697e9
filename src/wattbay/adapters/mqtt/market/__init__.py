"""The market over MQTT: signed orders in, the state of the market out, its periods by the clock."""
