"""The fields of server.json that the MCP registry documents, as of its schema 2025-12-11.

The registry's own schema lets unknown keys pass; these models refuse them, so that a misspelt key is noticed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Https = Annotated[str, StringConstraints(pattern=r"^https://\S+$", max_length=255)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", min_length=3, max_length=200)]
Version = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+\S*$", max_length=255)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class Icon(Strict):
    src: Https
    mime_type: str | None = Field(None, alias="mimeType")
    sizes: list[Annotated[str, StringConstraints(pattern=r"^(\d+x\d+|any)$")]] = []


class Repository(Strict):
    url: Https
    source: str
    id: str | None = None
    subfolder: str | None = None


class Variable(Strict):
    name: str
    description: str
    is_secret: bool = Field(False, alias="isSecret")
    is_required: bool = Field(False, alias="isRequired")
    format: Literal["string", "number", "boolean", "filepath"] = "string"
    default: str | None = None
    choices: list[str] = []


class Stdio(Strict):
    type: Literal["stdio"]


class Package(Strict):
    registry_type: Literal["pypi", "mcpb", "oci"] = Field(alias="registryType")
    identifier: str
    version: Version | None = None
    runtime_hint: str | None = Field(None, alias="runtimeHint")
    transport: Stdio
    file_sha256: Annotated[str, StringConstraints(pattern="^[a-f0-9]{64}$")] | None = Field(None, alias="fileSha256")
    environment_variables: list[Variable] = Field([], alias="environmentVariables")


class Server(Strict):
    schema_: Literal["https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"] = Field(
        alias="$schema"
    )
    name: Name
    title: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    description: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    version: Version
    website_url: Https | None = Field(None, alias="websiteUrl")
    repository: Repository | None = None
    icons: list[Icon] = []
    packages: Annotated[list[Package], Field(min_length=1)]
