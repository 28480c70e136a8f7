"""The documents of a call, as bytes: transcript, captions, vCon, certificate, decision record.

They are made from masked types only. The same input always gives the same bytes.
"""
