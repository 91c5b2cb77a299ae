"""What ran: sessions and the peers that were in them, as the running meetings (`live`) have written them.

Only reads. A session that still runs is counted up to the moment of the question.
"""
