-- event = "in_force"
SELECT argMax(book_id, (at, book_id)) FROM price_book_events WHERE event = {event:String}
