"""What customers say: language, sentiment, aspects and topics of reviews, and answers from them."""
