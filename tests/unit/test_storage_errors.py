"""What a server or the system says becomes the right error, with what to do next."""

import errno

import pytest
from botocore.exceptions import ClientError

from distrnn.errors import AccessError, ConflictError, NotFoundError, StorageError, UsageError
from distrnn.storage.local_errors import classify_os_error
from distrnn.storage.s3_errors import classify

URL, ENDPOINT = "s3://models/imdb/latest.json", "http://store:9000"


def answer(status: int, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", AccessError),
        (403, "403", AccessError),
        (401, "Unauthorized", AccessError),
        (400, "ExpiredToken", AccessError),
        (404, "NoSuchBucket", NotFoundError),
        (404, "NoSuchKey", NotFoundError),
        (404, "404", NotFoundError),
        (409, "ConditionalRequestConflict", ConflictError),
        (412, "PreconditionFailed", ConflictError),
        (416, "InvalidRange", StorageError),
        (507, "InsufficientStorage", StorageError),
        (500, "InternalError", StorageError),
        (503, "SlowDown", StorageError),
        (501, "NotImplemented", StorageError),
    ],
)
def test_the_status_decides_whatever_the_exception_around_it(status, code, kind):
    wrapped = OSError("something else")
    wrapped.__cause__ = answer(status, code)
    assert type(classify(answer(status, code), URL, ENDPOINT)) is type(classify(wrapped, URL, ENDPOINT)) is kind


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "NoSuchBucket", "bucket 'models' does not exist at http://store:9000. Create it, or check the URL and AWS_ENDPOINT_URL."),
        (
            403,
            "AccessDenied",
            "http://store:9000 refuses access to s3://models/imdb/latest.json (403 AccessDenied). Expected credentials with permission for "
            "this bucket in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE) or the machine's role.",
        ),
        (
            507,
            "QuotaExceeded",
            "the disk is full: http://store:9000 has no room for s3://models/imdb/latest.json (507 QuotaExceeded). Free some space or "
            "raise the quota, and run this again.",
        ),
        (
            301,
            "PermanentRedirect",
            "http://store:9000 answered 301 PermanentRedirect for s3://models/imdb/latest.json. Expected the bucket's own region in "
            "AWS_REGION (or AWS_DEFAULT_REGION).",
        ),
    ],
)
def test_a_message_says_what_to_do(status, code, message):
    assert classify(answer(status, code), URL, ENDPOINT).message == message


def test_an_answer_that_broke_off_may_be_asked_for_again():
    error = classify(TimeoutError("too slow"), URL, ENDPOINT)
    assert (error.fields, error.message) == (
        {"kind": "transient"},
        "http://store:9000 broke off the answer for s3://models/imdb/latest.json (TimeoutError: too slow). Run this again.",
    )


def test_an_error_of_ours_stays_what_it_is():
    error = UsageError("mine")
    assert classify(error, URL, ENDPOINT) is error


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (
            errno.ENOSPC,
            StorageError,
            "the disk is full: /x could not be written. Free some space, or choose another place, and run this again.",
        ),
        (
            errno.EDQUOT,
            StorageError,
            "the disk is full: /x could not be written. Free some space, or choose another place, and run this again.",
        ),
        (errno.EROFS, AccessError, "the system refuses access to /x (why). Give this user permission, or choose another place."),
        (errno.EACCES, AccessError, "the system refuses access to /x (why). Give this user permission, or choose another place."),
        (errno.EIO, StorageError, "/x could not be read or written: why."),
    ],
)
def test_what_the_system_says_is_told_apart(number, kind, message):
    error = classify_os_error(OSError(number, "why"), "/x")
    assert (type(error), error.message) == (kind, message)
