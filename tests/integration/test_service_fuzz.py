"""The REST under schemathesis: whatever its OpenAPI allows, and much that it does not, is answered, and never with a failure of ours."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from distrnn.registry.maintenance import Maintenance
from distrnn.service.app import create_app
from distrnn.service.settings import Settings
from distrnn.service.tokens import Tokens
from fixtures_service import TOKEN

EXAMPLES = 40
OPERATIONS = 15
# What is there: half of the examples ask for it, so that they get further than to "no such model"
KNOWN = {"name": "reviews", "number": 1, "alias": "production", "path": "numpy/weights.npz", "key": "reviews/versions/0000000001.json"}


@pytest.fixture
def schema(published, key_pair):
    """Of a service over `published`, one version signed, which takes a token; what the examples ask for lands in its registry."""
    Maintenance(published).sign("reviews@v1", key_pair.private)
    app = create_app(Settings(requests_per_s=0.0, page_age_s=0.0, tokens=Tokens.of([TOKEN])), published)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "not-allowed"])
def test_no_request_makes_it_fail(schema, mode):
    asked = [fuzz(found.ok(), mode) for found in schema.get_all_operations()]
    assert len(asked) == OPERATIONS
    assert sum(asked) > OPERATIONS * EXAMPLES / 4


def fuzz(operation, mode):
    """Ask many things of one operation, with and without the token; how many."""
    asked = 0

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def ask(case):
        nonlocal asked
        asked += 1
        if asked % 2:
            case.path_parameters.update({key: KNOWN[key] for key in case.path_parameters if key in KNOWN})
        for header in ({}, {"Authorization": f"Bearer {TOKEN}"}):
            answer = case.call(headers=header)
            assert answer.status_code < 500, f"{case.method} {case.formatted_path} {case.query} {case.body}: {answer.text}"
            if mode == GenerationMode.POSITIVE:
                case.validate_response(answer, checks=[status_code_conformance, response_schema_conformance])

    ask()
    return asked
