"""Configuration of the systems that take part. ``prefect block register -m blocks`` registers all of them."""

from blocks.cluster import Cluster
from blocks.environment import Environment
from blocks.gitlab_server import GitLabServer
from blocks.image_registry import ImageRegistry
from blocks.interpreter_server import InterpreterServer
from blocks.jenkins_server import JenkinsServer
from blocks.metrics_store import MetricsStore

__all__ = [
    "Cluster",
    "Environment",
    "GitLabServer",
    "ImageRegistry",
    "InterpreterServer",
    "JenkinsServer",
    "MetricsStore",
]
