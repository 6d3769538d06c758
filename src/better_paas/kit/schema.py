"""The base of all API types: camelCase outside, snake_case inside, nothing unknown accepted.

What is sent arrives byte for byte; only names and addresses, which people type and paste, are trimmed.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


TRIMMED = BeforeValidator(lambda value: value.strip() if isinstance(value, str) else value)
Version = Annotated[
    str, Field(max_length=64, description="As it was read: 409 `stale` if it was changed since. Null: whatever it is.")
]
