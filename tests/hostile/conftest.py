from tests.wire.realtimekit.client.fixtures import house, logged, meeting

__all__ = ["house", "logged", "meeting"]
