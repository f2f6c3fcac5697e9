"""Settings: addresses, paths, and which wires are on. One frozen tree, read once.

A file in TOML says what differs from the defaults, and the environment what differs from the file:
``WATTBAY_HTTP__PORT=8080`` is ``port`` in ``[http]``. Secrets stand in files of their own, which
settings name. What decides about energy or money is never a setting: it is in the journal.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from wattbay.errors import ConfigError, Fault
from wattbay.ids import ID_CHARACTERS_MAX

Port = Annotated[int, Field(ge=0, le=65_535)]
"""0: any that is free, for tests."""
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=ID_CHARACTERS_MAX)]


class Part(BaseModel):
    """A table of the settings: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BrokerKind(StrEnum):
    """Which MQTT broker there is."""

    EMBEDDED = "embedded"
    """amqtt, in this very process."""
    OUTSIDE = "outside"
    """Mosquitto, or any other that speaks MQTT 3.1.1."""
    AWS_IOT = "aws-iot"
    """AWS IoT Core: certificates, port 8883, and its limits respected."""
    NONE = "none"


class StoreKind(StrEnum):
    """What holds history and evidence."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class LogForm(StrEnum):
    """How logs are written."""

    CONSOLE = "console"
    JSON = "json"


class Community(Part):
    """Whose market this is."""

    founding: Path | None = Field(
        default=None, description="A TOML file that founds the community at the first start."
    )
    zone: str = Field(
        default="", description="Time zone of its days; otherwise that of the founding file."
    )


class Storage(Part):
    """Where things stand."""

    folder: Path = Field(default=Path("data"), description="Everything that is kept in files.")
    journal: StoreKind = StoreKind.SQLITE
    readings: StoreKind = StoreKind.SQLITE
    people: StoreKind = StoreKind.SQLITE
    dsn_file: Path | None = Field(
        default=None,
        description="A file with how to connect to PostgreSQL: host=db dbname=wattbay …",
    )
    dsn: str = Field(default="", description="The same, without a password in it.")
    lease_ttl_s: float = Field(
        default=2.0, ge=0.1, le=60, description="After so long a standby takes over."
    )
    snapshot_every: int = Field(
        default=20_000, ge=100, description="Entries between two snapshots."
    )
    archive: Path | None = Field(
        default=None, description="Where `wattbay archive` put the beginning of the journal."
    )
    readings_kept_days: int = Field(
        default=0, ge=0, description="Older ones are exported and forgotten; 0: none."
    )


class Mqtt(Part):
    """The broker, and how the service comes to it."""

    broker: BrokerKind = BrokerKind.EMBEDDED
    host: str = "127.0.0.1"
    port: Port = 1883
    client_id: Identifier = "wattbay-service"
    username: str | None = None
    password_file: Path | None = None
    authority: Path | None = Field(
        default=None, description="PEM of who signed the broker's certificate."
    )
    certificate: Path | None = Field(default=None, description="PEM of ours.")
    key: Path | None = Field(default=None, description="PEM of that certificate's key.")


class Http(Part):
    """Where people and programs come in."""

    host: str = "127.0.0.1"
    port: Port = 8080
    certificate: Path | None = Field(default=None, description="PEM with its chain: HTTPS.")
    key: Path | None = None
    behind_proxy: bool = Field(
        default=False, description="TLS ends before it, at a proxy: plain HTTP beyond the loopback."
    )
    origins: tuple[str, ...] = Field(
        default=(), description="Pages from elsewhere that may ask (CORS)."
    )
    requests_per_minute: int = Field(default=1_200, ge=1)
    sign_ins_per_minute: int = Field(default=20, ge=1)
    streams_max: int = Field(default=2_000, ge=1)


class Agent(Part):
    """Who runs each period of a delivery: ``standard``, or ``package.module:name``."""

    bidding: str = "standard"
    gate_closure: str = "standard"
    exchange: str = "standard"
    settlement: str = "standard"


class Access(Part):
    """Secrets and the first administrator."""

    secrets_file: Path | None = Field(
        default=None, description="Made at the first start. (otherwise secrets.json in the folder)"
    )
    admin_password_file: Path | None = Field(
        default=None,
        description="The first administrator's; otherwise one is drawn and printed once.",
    )


class Watching(Part):
    """What is odd about readings."""

    latitude: float | None = Field(
        default=None, ge=-90, le=90, description="Of the community. [degrees]"
    )
    longitude: float | None = Field(default=None, ge=-180, le=180)
    silent_after_minutes: int = Field(default=90, ge=1)


class Backups(Part):
    """Copies of all that stands in files, made while the service runs."""

    folder: Path | None = Field(default=None, description="Where they go; empty: none is made.")
    every_hours: float = Field(default=24.0, gt=0, description="How often.")
    kept: int = Field(default=7, ge=1, description="So many; the oldest go.")


class Log(Part):
    """What is logged, and how."""

    form: LogForm = LogForm.CONSOLE
    level: Annotated[str, Field(pattern=r"^(debug|info|warning|error)$")] = "info"


class Street(Part):
    """A made-up street at the ends of the wires, for whoever looks for the first time."""

    scenario: str = Field(default="", description="A scenario, such as live-street; empty: none.")
    speed: int = Field(default=60, ge=1, le=3_600, description="Seconds that pass in one.")


class Settings(BaseSettings):
    """All settings of a service."""

    model_config = SettingsConfigDict(
        env_prefix="WATTBAY_", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    community: Community = Community()
    storage: Storage = Storage()
    mqtt: Mqtt = Mqtt()
    http: Http = Http()
    agent: Agent = Agent()
    access: Access = Access()
    watching: Watching = Watching()
    backup: Backups = Backups()
    log: Log = Log()
    street: Street = Street()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment come before what the file says."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def read_settings(file: Path | None = None, **changed: dict[str, Any]) -> Settings:
    """Read settings from a file and the environment.

    Parameters
    ----------
    changed
        Tables in place of what the file says in them, for a command's own options.

    Raises
    ------
    ConfigError
        Bears everything that is wrong, each with its place.
    """
    told: dict[str, Any] = {}
    if file is not None:
        try:
            told = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(Fault(str(file), f"cannot be read: {error.strerror}")) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(Fault(str(file), f"is no TOML: {error}")) from error
    for table, values in changed.items():
        told[table] = {**told.get(table, {}), **values}
    where = str(file) if file is not None else "settings"
    try:
        settings = Settings(**told)
    except ValidationError as error:
        raise ConfigError(*(_fault(where, one) for one in error.errors())) from error
    if faults := list(_contradictions(where, settings)):
        raise ConfigError(*faults)
    return settings


def _contradictions(where: str, settings: Settings) -> Iterator[Fault]:
    """Yield what cannot be meant, or would let strangers in."""
    mqtt, http, storage = settings.mqtt, settings.http, settings.storage
    on_postgres = StoreKind.POSTGRESQL in {storage.journal, storage.readings, storage.people}
    if on_postgres and not storage.dsn and storage.dsn_file is None:
        what = "PostgreSQL is wanted and nothing says where it is"
        yield Fault(f"{where}: storage.dsn_file", what, "a file with host=db dbname=wattbay …")
    for name, part in (("mqtt", mqtt), ("http", http)):
        if (part.certificate is None) != (part.key is None):
            what = "a certificate and its key come together"
            yield Fault(f"{where}: {name}.certificate", what, "both, or none")
    if not is_loopback(http.host) and http.certificate is None and not http.behind_proxy:
        what = f"passwords would cross the network in the clear at {http.host}"
        yield Fault(f"{where}: http.host", what, "a certificate, or behind_proxy = true")
    if mqtt.broker is BrokerKind.EMBEDDED and not is_loopback(mqtt.host):
        what = f"the embedded broker lets in everybody who reaches {mqtt.host}"
        yield Fault(f"{where}: mqtt.host", what, "Mosquitto, which keeps devices apart")
    if mqtt.broker is BrokerKind.AWS_IOT:
        for name in ("authority", "certificate", "key"):
            if getattr(mqtt, name) is None:
                yield Fault(f"{where}: mqtt.{name}", "AWS IoT Core lets in certificates alone")
    if settings.backup.folder is not None and storage.journal is not StoreKind.SQLITE:
        what = "a journal in PostgreSQL is backed up there, by pg_dump"
        yield Fault(f"{where}: backup.folder", what, "how-to/back-up")
    if settings.street.scenario and settings.community.founding is not None:
        what = "a made-up street founds its own community"
        yield Fault(f"{where}: community.founding", what, "one of the two")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _fault(where: str, error: Any) -> Fault:  # noqa: ANN401 - pydantic's record of what is wrong
    """Return one thing that pydantic found, in words of ours."""
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return Fault(f"{where}: {path}", "there is no such setting", "wattbay config show")
    return Fault(f"{where}: {path}", f"{error['msg']}; got {error['input']!r}")
