"""`Cluster`: which Kubernetes, and as whom. The kubeconfig is a secret, unlike prefect-kubernetes' own block's."""

from __future__ import annotations

import sys
from typing import Any

import urllib3
import yaml
from kubernetes import client, config
from pydantic import Field, SecretStr, field_validator

from blocks.addresses import unusable_proxy
from blocks.background import begun
from blocks.kubeconfig_pair import Held, take_out
from blocks.schema_once import SchemaOnce
from errors import AccessError, InputError

_PLUGIN_PATIENCE = 3  # times the block's timeout: a plugin may ask a cloud's servers more than once


class Cluster(SchemaOnce):
    """A Kubernetes cluster, by kubeconfig text or from inside one of its pods."""

    _block_type_name = "Cluster"
    _block_type_slug = "kubernetes-cluster"
    _description = "A Kubernetes cluster that services run on: EKS, AKS, GKE, on-premises."

    kubeconfig: SecretStr | None = Field(
        default=None,
        title="Kubeconfig",
        description="Text of the kubeconfig; leave empty to use the pod's service account.",
    )
    context: str | None = Field(default=None, title="Context", description="Context to use; default: the current one.")
    timeout_seconds: float = Field(default=20.0, gt=0, title="Timeout", description="Seconds a request may take.")

    @field_validator("kubeconfig")
    @classmethod
    def _is_kubeconfig(cls, text: SecretStr | None) -> SecretStr | None:
        if text is None or not text.get_secret_value().strip():
            return None
        try:
            document = yaml.safe_load(text.get_secret_value())
        except yaml.YAMLError as error:
            raise ValueError("the kubeconfig is not YAML") from error.__class__("malformed")  # the text is a secret
        if not isinstance(document, dict) or "clusters" not in document:
            raise ValueError("the kubeconfig has no clusters")
        return text

    def get_client(self) -> client.ApiClient:
        """A Kubernetes API client that surely has credentials.

        Raises:
            InputError: The context does not exist or the kubeconfig is malformed.
            AccessError: A credential plugin failed (the client itself would go on without credentials), or waits for a
                person where there is none.
        """
        configuration, held = client.Configuration(), None
        try:
            if self.kubeconfig is None:
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                document = yaml.safe_load(self.kubeconfig.get_secret_value())
                held = take_out(document, self.context)
                self._load(document, configuration)
        except config.ConfigException as error:
            raise InputError(
                f"The cluster's kubeconfig cannot be used: {error}", remedy="Check its contexts."
            ) from error
        keys = list(map(str, configuration.api_key.values()))
        if not all(key.isascii() and key.isprintable() for key in keys):  # a client's own error would show it
            message = "The token of the cluster's kubeconfig has characters that no token has."
            raise InputError(message, remedy="Copy it again: it is one line.")
        if not (
            configuration.api_key.get("authorization")
            or configuration.api_key.get("BearerToken")
            or configuration.cert_file
            or (held and held.certificate)
            or configuration.username
        ):
            raise AccessError(
                f"No credentials for the cluster at {configuration.host}: none given, or its plugin failed.",
                remedy="Use a token or certificate, or install the credential plugin where the worker runs.",
            )
        configuration.retries = False
        try:
            made = client.ApiClient(configuration)
        except (ValueError, urllib3.exceptions.HTTPError):
            raise unusable_proxy() from None
        if str(configuration.host).startswith("https"):
            own = (held or Held()).context(
                verify=configuration.verify_ssl, own_authority=bool(configuration.ssl_ca_cert)
            )
            made.rest_client.pool_manager.connection_pool_kw["ssl_context"] = own
        return made

    def _load(self, document: dict[str, Any], configuration: client.Configuration) -> None:
        def load() -> None:
            config.load_kube_config_from_dict(  # type: ignore[no-untyped-call]
                document,
                context=self.context,
                client_configuration=configuration,
                persist_config=False,
                temp_file_path=None,
            )

        plugins = [user for user in document.get("users") or [] if "exec" in (user.get("user") or {})]
        if not plugins or sys.stdout.isatty():  # somebody may sign in
            return load()
        seconds = _PLUGIN_PATIENCE * self.timeout_seconds
        try:
            begun(load).result(timeout=seconds)
        except TimeoutError:
            raise AccessError(
                f"The kubeconfig's credential plugin gave nothing for {seconds:g} s.",
                remedy="Where it waits for somebody to sign in, give it a way without, e.g. kubelogin's --login "
                "workloadidentity or spn; or use a token of a service account.",
            ) from None
