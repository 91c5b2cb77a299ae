"""The way of a stream to an RTMP server outside.

target.py  an RTMP URL
amf.py     the values of RTMP's commands
chunks.py  its messages, in chunks
client.py  publishing: what is said until the server takes a stream
flv.py     what an encoder hands over
relay.py   one stream to one server, again and again

The server does this itself, not the media library: it minds the outgoing policy for the address that it
really connects to, does TLS, and knows the other server's own words for a refusal; and a server that says
nothing holds up nothing.
"""
