"""Keys that live in the key service: made, used at once, revoked; and what happens to a request while its key is asked about."""

import json

import pytest

from harness import service as services
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with services.stack(tmp_path_factory.mktemp("service")) as (service, (gate,)):
        yield service, gate


@pytest.fixture
def service(stack):
    return stack[0]


@pytest.fixture
def gate(stack):
    return stack[1]


def test_a_key_works_at_once_until_it_is_revoked_and_its_usage_arrives(service, gate):
    key = service.key()
    assert gate.models(key).status == 200
    service.change(key, "revoke")
    refused = wait_until("the refusal", lambda: (a := gate.models(key)).status != 200 and a, deadline=1)
    assert (refused.status, refused.error["code"]) == (403, "key_revoked")
    row = wait_until("usage", lambda: service.usage(key=key.id).get(key.id))
    print(json.dumps(row))
