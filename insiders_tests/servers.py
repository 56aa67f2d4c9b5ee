"""Real servers for tests: a PostgreSQL that listens on TCP and wants a password, as a warehouse elsewhere does; S3; and
a Spark cluster.

Belongs here: starting and stopping servers. Does not belong here: test data (`factories`).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from insiders_assets.storage.postgres_place import (
    ServerUser,
    find_package,
    find_place,
    reachable_installation,
    remove_place,
)

SECONDS = 30


@contextlib.contextmanager
def tcp_postgres(folder: Path, port: int | None = None) -> Iterator[str]:
    """A PostgreSQL server on 127.0.0.1 and a free port, or this one; gives the URL (with password) of its database
    `shop`.

    `folder` is made if need be; the server and its database are gone at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    user = ServerUser.for_home(folder)
    place = find_place(folder, user)
    programs = reachable_installation(find_package(), user) / "bin"
    password = f"p@ss/{secrets.token_hex(4)}"
    try:
        _make_data(programs, user, place, password)
        server, port = _start(programs, user, place, port)
        try:
            with _connected(port, password) as connection:
                connection.execute("CREATE DATABASE shop")
            yield f"postgresql://owner:{password.replace('@', '%40').replace('/', '%2F')}@127.0.0.1:{port}/shop"
        finally:
            server.send_signal(signal.SIGINT)  # PostgreSQL's "fast": connections are ended
            server.wait(SECONDS)
    finally:
        remove_place(folder, place)


@dataclass(frozen=True)
class S3:
    """A bucket on an S3 server of this machine; its credentials stand in the environment."""

    endpoint: str
    bucket: str

    def location(self, prefix: str) -> str:
        return f"s3://{self.bucket}/{prefix}"


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """An S3 server on a free port with one empty bucket; the environment names its credentials for that time."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        with pytest.MonkeyPatch.context() as environment:
            for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
                environment.delenv(name, raising=False)
            environment.setenv("AWS_ACCESS_KEY_ID", "insiders")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "insiders-secret")
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
            host, port = server.get_host_and_port()
            s3 = S3(f"http://{host}:{port}", "shop")
            boto3.client("s3", endpoint_url=s3.endpoint).create_bucket(Bucket=s3.bucket)
            yield s3
    finally:
        server.stop()


@dataclass(frozen=True)
class Subscriber:
    """Somebody who listens to a topic of its own; the environment names server and credentials."""

    topic: str
    queue: str

    @classmethod
    def to_new_topic(cls) -> Subscriber:
        import boto3

        sns, sqs, name = boto3.client("sns"), boto3.client("sqs"), uuid.uuid4().hex
        topic, queue = sns.create_topic(Name=name)["TopicArn"], sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return cls(topic, queue)

    def heard(self) -> list[tuple[str, str]]:
        """Subjects and texts that have come since the last time."""
        import boto3

        sqs, told = boto3.client("sqs"), []
        while found := sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for one in found:
                body = json.loads(one["Body"])
                told.append((body["Subject"], body["Message"]))
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
        return told


@contextlib.contextmanager
def spark_cluster(folder: Path, workers: int) -> Iterator[str]:
    """A standalone Spark on 127.0.0.1 with so many workers of one core, processes of their own; gives its master."""
    import pyspark

    program = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    port = free_port()
    master = f"spark://127.0.0.1:{port}"
    here = ["--host", "127.0.0.1", "--webui-port", "0"]
    commands = [["master.Master", *here, "--port", str(port)]]
    for number in range(workers):
        place = ["--work-dir", str(folder / f"work-{number}")]
        commands.append(["worker.Worker", *here, "--cores", "1", "--memory", "1g", *place, master])
    started: list[subprocess.Popen[bytes]] = []
    with (folder / "spark.log").open("ab") as log, contextlib.ExitStack() as at_the_end:
        for command in commands:
            name = f"org.apache.spark.deploy.{command[0]}"
            # Of the session's own, so that what a worker starts ends with it.
            process = subprocess.Popen(
                [program, name, *command[1:]], stdout=log, stderr=log, start_new_session=True, cwd=folder
            )
            started.append(process)
            at_the_end.callback(_end_group, process)
        yield master


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make_data(programs: Path, user: ServerUser, place: Path, password: str) -> None:
    secret = place / "password"
    secret.write_text(password)
    if user.switch:
        os.chown(secret, user.uid, user.gid)
    arguments = ["--username=owner", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
    subprocess.run(
        [programs / "initdb", f"--pgdata={place / 'data'}", "--no-sync", *arguments],
        cwd="/",
        env={"LC_ALL": "C"},
        check=True,
        capture_output=True,
        **user.identity,
    )


def _start(programs: Path, user: ServerUser, place: Path, wanted: int | None) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(5):  # somebody else may take the port between its choice and its use
        port = wanted or free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = subprocess.Popen(
            [programs / "postgres", "-D", place / "data", *options],
            cwd="/",
            env={"LC_ALL": "C"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **user.identity,
        )
        if _becomes_ready(server, place / "data" / "postmaster.pid"):
            return server, port
    raise RuntimeError("PostgreSQL did not start")


def _becomes_ready(server: subprocess.Popen[bytes], pid_file: Path) -> bool:
    deadline = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            if "ready" in pid_file.read_text():
                return True
        time.sleep(0.02)
    server.kill()
    server.wait()
    return False


def _connected(port: int, password: str) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=port, user="owner", password=password, dbname="postgres", autocommit=True
    )
