"""A request id is taken only if it is well-formed, and belongs to one task and what it starts."""

import asyncio

import pytest

from runtime.request_scope import (
    HEADER,
    IDS_MAX,
    RequestScope,
    accept_request_id,
    accept_request_ids,
    current_request_id,
    forwarded_headers,
    is_request_id,
    join_request_ids,
    request_scope,
)

ONE, OTHER = "0" * 31 + "1", "0" * 31 + "2"


@pytest.mark.parametrize("text", ["", "1", "A" * 32, f"{ONE}x", f"{ONE}\n", f"{ONE},{OTHER}"])
def test_other_ids_are_replaced(text):
    """Whatever a client sends, a log line has 32 lower-case hex characters."""
    made = accept_request_id(text)
    assert made != text
    assert is_request_id(made)
    assert accept_request_id(ONE) == ONE


def test_a_batch_has_the_ids_of_its_requests():
    """Each once; the receiver takes exactly these."""
    joined = join_request_ids([ONE, OTHER, ONE, ""])
    assert joined == f"{ONE},{OTHER}"
    assert accept_request_ids(joined) == joined
    many = ",".join(f"{number:032x}" for number in range(IDS_MAX + 1))
    assert is_request_id(accept_request_ids(many))
    assert len(join_request_ids(many.split(",")).split(",")) == IDS_MAX


def test_tasks_keep_their_own_requests():
    """Two requests at once do not mix, and a task inherits the one that started it."""

    async def serve(id_):
        with request_scope(RequestScope(id_)):
            await asyncio.sleep(0)
            return await asyncio.create_task(inner())

    async def inner():
        await asyncio.sleep(0)
        return current_request_id(), forwarded_headers()

    async def both():
        return await asyncio.gather(serve(ONE), serve(OTHER))

    assert asyncio.run(both()) == [(id_, {HEADER: id_}) for id_ in (ONE, OTHER)]
    assert not current_request_id()
    assert not forwarded_headers()
