"""Methods of the contract that are not implemented yet."""

from collections.abc import AsyncIterator
from typing import Any


class Pending:
    """Refuses every one of them; a method leaves this class when it is implemented."""

    async def pause_batch(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def resume_batch(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def import_units(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def import_units_csv(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_batch_statement(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_statement_keys(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_unit(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def set_unit_states(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def set_unit_states_csv(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_unit_state_job(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def list_unit_state_jobs(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def create_webhook_endpoint(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_webhook_endpoint(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def list_webhook_endpoints(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def update_webhook_endpoint(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def delete_webhook_endpoint(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def rotate_webhook_secret(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def test_webhook_endpoint(self, request: Any, call: Any) -> Any:
        raise NotImplementedError

    async def list_webhook_deliveries(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_webhook_delivery(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def redeliver_webhooks(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_settings(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def update_settings(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def list_settings_versions(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def list_dead_letters(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_dead_letter(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def replay_dead_letter(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def replay_dead_letters(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def discard_dead_letter(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def list_scans(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def get_analytics(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def note_unit_events(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    async def export_scans(self, _request: Any, _call: Any) -> AsyncIterator[Any]:
        nothing: tuple[Any, ...] = ()
        for each in nothing:
            yield each
        raise NotImplementedError
