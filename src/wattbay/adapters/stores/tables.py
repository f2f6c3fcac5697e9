"""The tables of the store of readings in PostgreSQL."""

from __future__ import annotations

INCOMING_TYPES = (
    "int8", "int4", "int8", "int8", "int8", "int8", "int2", "int8", "int8", "bytea",
)  # fmt: skip
"""Types of the columns of `readings`, in their order."""

TABLES = """
CREATE TABLE IF NOT EXISTS devices (
  number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  community text NOT NULL, device text NOT NULL, UNIQUE (community, device)
);
CREATE TABLE IF NOT EXISTS readings (
  measured_at bigint NOT NULL, device integer NOT NULL, boot bigint NOT NULL,
  seq bigint NOT NULL, import_register bigint NOT NULL, export_register bigint NOT NULL,
  flags smallint NOT NULL, power_w bigint, voltage_mv bigint, proof bytea NOT NULL,
  PRIMARY KEY (measured_at, device)
) PARTITION BY RANGE (measured_at);
CREATE TABLE IF NOT EXISTS readings_other PARTITION OF readings DEFAULT;
CREATE TABLE IF NOT EXISTS runs (
  device integer NOT NULL, boot bigint NOT NULL, runs bytea NOT NULL, PRIMARY KEY (device, boot)
);
CREATE TABLE IF NOT EXISTS alarms (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  measured_at bigint NOT NULL, device integer NOT NULL, boot bigint NOT NULL,
  seq bigint NOT NULL, import_register bigint NOT NULL, export_register bigint NOT NULL,
  flags smallint NOT NULL, power_w bigint, voltage_mv bigint, proof bytea NOT NULL,
  UNIQUE (device, proof)
);
CREATE TABLE IF NOT EXISTS state (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  forgotten_before bigint NOT NULL, epoch bigint NOT NULL
);
INSERT INTO state VALUES (true, 0, 0) ON CONFLICT DO NOTHING;
"""
