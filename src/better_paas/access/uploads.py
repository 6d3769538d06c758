"""Calls that bring files: a form with `config` (JSON) and `archive`. The guard reads it once, for all."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import IO, Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from better_paas.errors import Invalid

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Model = TypeVar("Model", bound=BaseModel)
_MOST_PARTS = 4
_CONFIG_BYTES = 1024 * 1024
_MODEL = "_upload_config"


def takes_upload(model: type[BaseModel]) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint whose form has a `config` of this type."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MODEL, model)
        return endpoint

    return mark


def config_model_of(endpoint: Callable[..., Any]) -> type[BaseModel] | None:
    return getattr(endpoint, _MODEL, None)


def upload_form(model: type[BaseModel]) -> dict[str, Any]:
    """How the form looks, for the OpenAPI document."""
    properties = {
        "config": {"type": "string", "contentMediaType": "application/json", "description": f"{model.__doc__}"},
        "archive": {"type": "string", "format": "binary"},
    }
    schema = {"type": "object", "required": ["config", "archive"], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def is_upload(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def upload_fields(request: Request) -> Any:
    """What the guard looks at: the fields of `config`, and the digest of the archive, so that a yes is for both."""
    form = await _form(request)
    fields = _config(form)
    archive = form.get("archive")
    if isinstance(fields, dict) and isinstance(archive, UploadFile):
        fields["archive"] = await asyncio.to_thread(_digest, archive.file)
    return fields


async def uploaded(request: Request, model: type[Model]) -> tuple[Model, IO[bytes]]:
    """The checked `config` and the archive. Errors: Invalid, RequestValidationError."""
    form = await _form(request)
    archive = form.get("archive")
    if not isinstance(archive, UploadFile):
        raise Invalid("archive: the part with the files is missing", "Send config and archive as multipart/form-data.")
    try:
        config = model.model_validate(_config(form))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    archive.file.seek(0)
    return config, archive.file


async def _form(request: Request) -> FormData:
    try:
        return await request.form(max_files=1, max_fields=_MOST_PARTS, max_part_size=_CONFIG_BYTES)
    except HTTPException as error:
        raise Invalid("the form can't be read", "Send config and archive as multipart/form-data.") from error


def _config(form: FormData) -> Any:
    text = form.get("config")
    try:
        return json.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        raise Invalid("config: it is not valid JSON", "Send the settings of the app as a JSON object.") from None


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
