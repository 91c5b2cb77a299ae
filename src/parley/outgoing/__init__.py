"""Outgoing HTTP: requests to addresses that somebody outside the program chose (`design.md` section 7).

`ports.Http` is what callers take; `http.OutgoingHttp` is the client behind it, made once for each
`http.OutgoingPolicy`: what customers name may be held to more than what the operator names.

Promises: an address is checked when its socket is made, redirects are answers, time and size are bounded.
Shutdown: `await http.close()` ends every connection.
"""
