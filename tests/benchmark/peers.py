"""What people move 200 MB to and from an S3 server with. Each peer is as its manual's first example has it, connected before it is timed.

Programs are started for each transfer, as at a prompt; libraries live in this process and keep their connection, as ours does. Those that
check nothing by themselves are followed by `sha256sum`, because that is what a user has to do to know what arrived.
"""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures_s3 import S3Server

PIECE_BYTES = 16 << 20


@dataclass(frozen=True)
class Cost:
    """What something took: by the clock, and of this process' and its children's CPUs."""

    seconds: float
    cpu_seconds: float


def cost(call: Callable[[], object]) -> Cost:
    """Do something and say what it took."""
    cpu_before, started = _cpu_seconds(), time.perf_counter()
    call()
    return Cost(time.perf_counter() - started, _cpu_seconds() - cpu_before)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def command(*words: str) -> None:
    """Run a program to its successful end."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def sha256sum(path: Path) -> None:
    """What is typed after a download that was not checked."""
    command("sha256sum", str(path))


class Curl:
    """curl with a presigned URL, in one request; nothing is checked. (Its own signature of an upload is one that RGW refuses.)"""

    name = "curl"
    upload_name = "curl -T"

    def __init__(self, bucket: str) -> None:
        import boto3
        from botocore.config import Config

        self.bucket = bucket
        self.client: Any = boto3.client("s3", config=Config(signature_version="s3v4"))
        self.words = ("curl", "--silent", "--show-error", "--fail")

    def pull(self, key: str, path: Path) -> None:
        command(*self.words, "--output", str(path), self._url("get_object", key))

    def push(self, path: Path, key: str) -> None:
        # With the header curl waits up to a second for a word from the server before it sends the body
        command(*self.words, "--header", "Expect:", "--upload-file", str(path), self._url("put_object", key))

    def _url(self, method: str, key: str) -> str:
        url: str = self.client.generate_presigned_url(method, {"Bucket": self.bucket, "Key": key})
        return url


class Boto3:
    """boto3's transfer functions: several parts at once in threads."""

    name = "boto3 download_file + sha256sum"
    upload_name = "boto3 upload_file"

    def __init__(self, bucket: str) -> None:
        import boto3

        self.bucket = bucket
        self.client: Any = boto3.client("s3")

    def pull(self, key: str, path: Path) -> None:
        self.client.download_file(self.bucket, key, str(path))
        sha256sum(path)

    def push(self, path: Path, key: str) -> None:
        self.client.upload_file(str(path), self.bucket, key)


class AwsCli:
    """The AWS command line."""

    name = "`aws s3 cp` + sha256sum"
    upload_name = "`aws s3 cp`"

    def __init__(self, program: str, bucket: str) -> None:
        self.words = (program, "s3", "cp", "--only-show-errors")
        self.base = f"s3://{bucket}"

    def pull(self, key: str, path: Path) -> None:
        command(*self.words, f"{self.base}/{key}", str(path))
        sha256sum(path)

    def push(self, path: Path, key: str) -> None:
        command(*self.words, str(path), f"{self.base}/{key}")


class PyArrow:
    """pyarrow's S3 file system, a stream copied to a file."""

    name = "pyarrow S3FileSystem + sha256sum"

    def __init__(self, server: S3Server, bucket: str) -> None:
        from pyarrow.fs import S3FileSystem

        self.bucket = bucket
        endpoint = server.endpoint.removeprefix("http://")
        keys = {"access_key": server.access_key, "secret_key": server.secret_key, "region": "us-east-1"}
        self.fs = S3FileSystem(endpoint_override=endpoint, scheme="http", **keys)

    def pull(self, key: str, path: Path) -> None:
        with self.fs.open_input_file(f"{self.bucket}/{key}") as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, PIECE_BYTES)
        sha256sum(path)


def aws_program() -> str | None:
    """The AWS command line where there is one: BENCH_AWS, else `aws` on the PATH."""
    return os.environ.get("BENCH_AWS") or shutil.which("aws")
