"""Small objects in an S3 bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config


@dataclass(frozen=True)
class S3Access:
    """Where the bucket is, and the key pair. endpoint: empty for AWS itself."""

    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str


class AlreadyThere(Exception):
    """An object that is never overwritten is there, and is another one."""


async def put_new(bucket: str, prefix: str, objects: Sequence[tuple[str, bytes]], access: S3Access) -> None:
    """Put objects that are never overwritten; one that is there already stays.

    Errors: AlreadyThere, obstore's BaseError.

    A checksum goes with each: buckets with object lock take nothing without one.
    """
    # Loaded when it is used: 4 MB that most installations never need.
    from obstore.exceptions import AlreadyExistsError
    from obstore.store import S3Store

    config: S3Config = {
        "region": access.region,
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
        "checksum_algorithm": "SHA256",
    }
    if access.endpoint:
        config["endpoint"] = access.endpoint
    client: ClientConfig = {"allow_http": access.endpoint.startswith("http://"), "timeout": "30s"}
    store = S3Store(
        bucket, prefix=prefix or None, config=config, client_options=client, retry_config={"max_retries": 2}
    )
    for name, content in objects:
        try:
            await store.put_async(name, content, mode="create")
        except AlreadyExistsError:
            stored = await (await store.get_async(name)).bytes_async()
            if bytes(stored) != content:
                raise AlreadyThere(f"{name} is in the bucket with another content") from None
