"""The MQTT wire: signed meter readings in."""
