"""The schema at /openapi.json, against the running service: no 500, and no answer that it does not describe."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings

from atelier.server.http.rest.contract import EditSettings, EstimateSettings, GenerateSettings, Sides
from atelier.tools.parameters.tool_parameters import EditImage, EstimateCost, GenerateImage, Parameters
from tests.exhaustive import exhaustive, parameters
from tests.server.http_process import Server, token

NOT_HTTP = (400, b"Invalid HTTP request received.")  # uvicorn's answer to heads such as "content-length: x"
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
INPUTS = {"prompt", "image", "images", "mask"}


@exhaustive
@pytest.mark.parametrize("count", [parameters(8, is_fast=True), parameters(150, is_fast=False)])
def test_each_answer_is_in_the_schema(server: Server, count: int) -> None:
    import schemathesis  # slow to import, and every worker imports this module
    from schemathesis import checks as general_checks
    from schemathesis.specs.openapi import checks as openapi_checks

    openapi, general, of_openapi = cast("tuple[Any, Any, Any]", (schemathesis.openapi, general_checks, openapi_checks))
    checks = [
        general.not_a_server_error,
        of_openapi.status_code_conformance,
        of_openapi.content_type_conformance,
        of_openapi.response_headers_conformance,
        of_openapi.response_schema_conformance,
    ]
    schema = openapi.from_url(f"{server.url}/openapi.json").include(path_regex="^/(image|usage|v1)")
    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == 14
    headers = {"Authorization": f"Bearer {token('fuzz')}"}
    for operation in operations:
        for mode in schemathesis.GenerationMode:  # requests that fit the schema, and such that do not

            @settings(max_examples=count, suppress_health_check=SLOW, deadline=None, database=None)
            @given(case=operation.as_strategy(mode))
            def each(case: Any) -> None:
                response = case.call(headers=headers)
                if (response.status_code, response.content) != NOT_HTTP:
                    case.validate_response(response, checks=checks)

            each()
    errors = [line for line in server.log if line["level"] == "error"]
    assert not errors, json.dumps(errors)


@pytest.mark.parametrize(
    ("settings_model", "tool"),
    [(GenerateSettings, GenerateImage), (EditSettings, EditImage), (EstimateSettings, EstimateCost)],
)
def test_the_settings_are_the_parameters_of_the_tool(settings_model: type[Parameters], tool: type[Parameters]) -> None:
    given_names, known = settings_model.model_fields, tool.model_fields
    assert set(given_names) - set(Sides.model_fields) == set(known) - INPUTS
    for name in set(known) - INPUTS:
        assert (given_names[name].description, given_names[name].default) == (
            known[name].description,
            known[name].default,
        )
