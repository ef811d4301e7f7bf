"""Token file: records, revocations that a process follows, and problems of the file."""

import pytest

from permission_urls import (
    RevokedTokens,
    TokenRecord,
    UnusableTokenFile,
    load_tokens,
    record_of,
    save_tokens,
)
from permission_urls.files.token_file import parse_tokens, render_tokens

SHOP = TokenRecord(
    id="k3v9q2mf", application="shop", scopes=("read", "upload"), expiry=1_893_456_000
)
REVOKED = TokenRecord(id="0z0z0z0z", revoked=True)


class Clock:
    """A clock that only the test advances."""

    seconds = 0.0

    def __call__(self):
        """Return the seconds."""
        return self.seconds


def test_rendering_and_parsing_are_inverse():
    """Records come back as they were, including one of a token that was made elsewhere."""
    assert parse_tokens(render_tokens([SHOP, REVOKED])) == {"k3v9q2mf": SHOP, "0z0z0z0z": REVOKED}


def test_a_record_has_no_token(token):
    """Its id, application, scopes, and expiry only: nothing that opens anything."""
    assert record_of(token) == TokenRecord(id=token.id, application="shop", scopes=("read",))


def test_a_missing_file_has_no_records(tmp_path):
    """The first token makes it."""
    assert load_tokens(tmp_path / "tokens.toml") == {}


def test_expired_tokens_leave_the_file(tmp_path, now):
    """The file does not grow for as long as the cluster lives."""
    path = tmp_path / "tokens.toml"
    ended = TokenRecord(id="11111111", expiry=now)
    save_tokens(path, [SHOP, REVOKED, ended], now_seconds=now)
    assert set(load_tokens(path)) == {"k3v9q2mf", "0z0z0z0z"}


def test_a_process_follows_revocations_within_a_second(tmp_path, now):
    """Also the first one, which makes the file."""
    path, clock = tmp_path / "tokens.toml", Clock()
    revoked = RevokedTokens(path, monotonic_seconds=clock)
    assert "0z0z0z0z" not in revoked
    save_tokens(path, [SHOP, REVOKED], now_seconds=now)
    clock.seconds += 1
    assert "0z0z0z0z" in revoked
    assert "k3v9q2mf" not in revoked


@pytest.mark.parametrize("how", ["missing", "broken"])
def test_a_lost_file_makes_no_token_valid_again(tmp_path, now, how):
    """The last revocations stay in force."""
    path, clock = tmp_path / "tokens.toml", Clock()
    save_tokens(path, [REVOKED], now_seconds=now)
    revoked = RevokedTokens(path, monotonic_seconds=clock)
    if how == "missing":
        path.unlink()
    else:
        path.write_text("[nonsense")
    clock.seconds += 1
    assert "0z0z0z0z" in revoked


@pytest.mark.parametrize(
    "text",
    [
        "[k3v9q2mf",
        "[short]\n",
        "k3v9q2mf = 1\n",
        "[k3v9q2mf]\nrevoked = 1\n",
        "[k3v9q2mf]\nx = 1\n",
    ],
)
def test_an_invalid_file_is_refused_with_its_path(tmp_path, text):
    """A storagemaster does not start with revocations that it cannot read."""
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(UnusableTokenFile, match=r"tokens\.toml"):
        RevokedTokens(path)
