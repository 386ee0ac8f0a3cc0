"""The groups that settings come in, each with its defaults, units and sentences."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.networks import IPvAnyNetwork

from app.providers.sandbox import Evidence


class Group(BaseModel):
    """Settings that belong together; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ApiSettings(Group):
    """The API process."""

    host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port that the API listens on; 0 takes a free one.")
    body_seconds: float = Field(
        default=10, gt=0, le=300, description="How long a request's body may take to arrive, in seconds."
    )
    key_cache_seconds: float = Field(
        default=5, ge=0, le=5, description="How long a key counts as verified; so long may a revoked one live on."
    )
    requests_per_second: int = Field(
        default=1000, ge=1, le=1_000_000, description="Requests of one key that each process takes in a second."
    )
    request_burst: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Requests of one key at once; by default those of two seconds."
    )
    bad_credentials_per_minute: int = Field(
        default=20, ge=1, le=1_000_000, description="Wrong API keys of one address before it has to wait."
    )
    notice_seconds: float = Field(
        default=5, ge=0, le=20, description="How long a stopping API serves on, so that proxies notice, in seconds."
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description="Networks of proxies whose X-Forwarded-For tells the caller's address, as a JSON list."
    )


class DatabaseSettings(Group):
    """The database, and the pool of each process."""

    pool_size: int = Field(default=10, ge=4, le=200, description="Connections of each process; the API has ten more.")
    statement_seconds: float = Field(
        default=5, gt=0, description="Longest run of one statement, in seconds; in the API 2 at most, but for lists."
    )
    acquire_seconds: float = Field(
        default=2, gt=0, description="Longest wait for a connection, and for each server to answer, in seconds."
    )
    allow_unsafe: bool = Field(
        default=False,
        description="Work with a Postgres whose fsync, full_page_writes or synchronous_commit is off: for tests.",
    )


class DispatchSettings(Group):
    """The worker."""

    concurrency: int = Field(
        default=64, ge=1, le=1000, description="Sends in flight in each worker; a quarter for `otp` alone."
    )
    send_deadline_seconds: float = Field(default=20, gt=0, description="Total time of one provider call, in seconds.")
    connect_seconds: float = Field(default=5, gt=0, description="Longest wait for a connection to a provider.")
    lease_seconds: float = Field(default=45, gt=0, description="How long a worker may be silent about its claims.")
    evidence_wait_seconds: float = Field(
        default=120,
        gt=0,
        description="How long an unknown outcome waits for a status report, in seconds; no shorter than a lease.",
    )
    poll_seconds: float = Field(default=0.5, gt=0, description="How often the queue is looked at without being woken.")
    drain_seconds: float = Field(default=25, gt=0, description="How long a stopping worker waits for its sends.")
    start_spread_seconds: float = Field(
        default=2, ge=0, le=60, description="Longest random wait before a worker's first claim, in seconds."
    )
    retry_delays_seconds: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(1, 4, 15, 60, 300), min_length=1, description="Longest wait before each next try, as a JSON list."
    )
    max_tries: int = Field(default=6, ge=1, le=20, description="Tries of a message that was certainly not sent.")
    inquiry_delays_seconds: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(2, 15, 60, 60, 120, 300),
        description="Wait before each question to a provider about an unknown outcome, as a JSON list; under "
        "`at_least_once` further ones follow until the message is stale.",
    )
    sightings_apart_seconds: float = Field(
        default=30, gt=0, description="How far apart two searches are that find nothing, before that proves anything."
    )
    reconcile_delays_seconds: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        default=(3_600, 18_000, 64_800, 172_800),
        description="Wait before each look at a message that is `sent`, or has no price, as a JSON list; may be empty.",
    )
    audit_lag_seconds: float = Field(
        default=21_600,
        ge=0,
        le=86_400,
        description="How long after its end a day is compared with the providers' lists.",
    )
    # Not after the first, which may be due to any that were in flight: it takes another, alone, to tell.
    poison_crashes: int = Field(
        default=3,
        ge=2,
        le=100,
        description="Workers that may die over a message in a row before it is set aside; at least 2.",
    )
    liveness_locks: bool = Field(
        default=True, description="False behind a pooler that keeps no sessions: dead workers are then told by leases."
    )

    @model_validator(mode="after")
    def _lease_outlasts_the_send(self) -> DispatchSettings:
        if self.lease_seconds <= self.send_deadline_seconds:
            raise ValueError("lease_seconds must be longer than send_deadline_seconds, or workers are taken for dead")
        return self

    @model_validator(mode="after")
    def _evidence_is_awaited_until_nothing_is_on_its_way(self) -> DispatchSettings:
        # Both count from the claim, and until the lease ends a worker that was taken for dead may be sending.
        if self.evidence_wait_seconds < self.lease_seconds:
            raise ValueError(
                "evidence_wait_seconds must not be shorter than lease_seconds, or a message is called unconfirmed, or "
                "sent once more, while its first request may still be on its way"
            )
        return self


class MessageSettings(Group):
    """Messages."""

    validity_seconds: int = Field(
        default=36_000, ge=1, le=259_200, description="How long a message stays worth sending, if its caller is silent."
    )
    queued_per_account: int = Field(
        default=1_000_000, ge=1, description="Messages of one account that may wait; further ones are refused."
    )
    horizon_seconds: int = Field(
        default=36_000,
        ge=1,
        le=3_000_000,
        description="How late a sender may come to a new message, in seconds; one that would be sent later is refused.",
    )


class RetentionSettings(Group):
    """How long things are kept."""

    idempotency_days: int = Field(default=7, ge=1, le=90, description="Days that an Idempotency-Key is remembered.")
    webhook_digest_days: int = Field(default=3, ge=1, description="Days in which an equal webhook is a repeat.")
    webhook_receipt_days: int = Field(default=30, ge=1, description="Days that processed webhooks are kept.")
    orphan_hours: int = Field(default=72, ge=1, description="Hours that a report waits for its attempt to be known.")
    inbound_reference_days: int = Field(default=30, ge=1, description="Days in which an inbound id is a repeat.")

    @property
    def ages(self) -> dict[str, timedelta]:
        """For each table that is pruned, how old its rows become; digests name their own end."""
        return {
            "idempotency_keys": timedelta(days=self.idempotency_days),
            "webhook_digests": timedelta(0),
            "webhook_receipts": timedelta(days=self.webhook_receipt_days),
            "orphan_reports": timedelta(hours=self.orphan_hours),
            "inbound_references": timedelta(days=self.inbound_reference_days),
        }


class SandboxSettings(Group):
    """The pretend carrier network, and how it is reached. Test keys reach nothing else."""

    url: str = Field(default="http://127.0.0.1:8081", description="Where the gateway reaches the sandbox.")
    host: str = Field(default="127.0.0.1", description="Address that `gateway sandbox` listens on.")
    port: int = Field(default=8081, ge=0, le=65535, description="Port that it listens on; 0 takes a free one.")
    api_key: str = Field(default="sandbox", description="User of the sandbox's API.")
    api_secret: SecretStr | None = Field(
        default=None, min_length=8, description="Its password; by default derived from GATEWAY_SECRET_KEY."
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        min_length=8,
        description="What the sandbox signs its webhooks with; by default derived from GATEWAY_SECRET_KEY.",
    )
    pace: float = Field(default=1, ge=0, le=100, description="Factor on all of the carriers' latencies.")
    evidence: Evidence = Field(
        default=Evidence.REFERENCE_SEARCH,
        description="What tells whether the sandbox took a message: `webhook`, `idempotency-key`, `reference-search`, "
        "`recipient-search` or `none`.",
    )
    records: bool = Field(default=True, description="Whether single messages are fetched and all of them are listed.")
