"""The loop. (being written)"""
