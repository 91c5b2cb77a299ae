from tests.wire.realtimekit.client.fixtures import house, logged, media_house, meeting

__all__ = ["house", "logged", "media_house", "meeting"]
