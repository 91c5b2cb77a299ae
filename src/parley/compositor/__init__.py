"""Makes finished files of a recording's tracks, in a process of its own: `python -m parley.compositor
PLAN.json`.

It reads the files its plan names and writes the outputs the plan names: no database, no network. Outputs are
written under a temporary name and renamed when they are complete, so a run that was killed is simply run
again. Progress goes to the standard output, see `__main__`.

    plan.py       what to make of what: the input, checked
    mjr.py        the files Janus writes, one for each track
    rtp.py        packets, brought back into order
    timing.py     when a packet was captured, from when it arrived
    vp8.py        frames out of packets (RFC 7741)
    index.py      a first pass over a track: when it plays, where pictures can be begun with
    video.py      the picture of a track at an instant
    audio.py      the sound of a track between two instants
    timeline.py   instants of the recording and places in the output
    speaking.py   who is talking
    stage.py      who and what is to be seen
    seating.py    in which place
    layout.py     where the places are
    fonts.py colours.py tiles.py   avatars and names as bitmaps
    blending.py   bitmaps laid over a picture
    painter.py    the picture
    files.py writer.py hls.py   the outputs
    job.py        all of it together
"""
