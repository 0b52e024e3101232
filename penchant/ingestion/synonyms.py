"""Names that shops give to columns and to types of events, and formats of their times."""

NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "events": {
        "event_at": (
            *("event_at", "event_time", "timestamp", "datetime", "time", "invoice_date"),
            *(
                "created_at",
                "order_date",
                "date",
                "bought",
                "occurred_at",
                "ts",
                "at",
                "created",
                "day",
                "datum",
            ),
        ),
        "user_id": (
            *("user_id", "customer_id", "userid", "visitorid", "client_id", "household_id"),
            *("user", "customer", "visitor", "member", "client", "buyer", "kunde", "account"),
        ),
        "item_id": (
            *("item_id", "product_id", "sku", "stock_code", "article_id", "itemid", "asin", "item"),
            *("product", "article", "artikel", "ean", "isbn", "goods", "parent_asin", "stock"),
        ),
        "session_id": (
            *("session_id", "user_session", "session", "visit", "invoice", "order_id", "basket_id"),
            *(
                "transaction_id",
                "transactionid",
                "order",
                "basket",
                "transaction",
                "receipt",
                "bestellung",
            ),
        ),
        "event_type": ("event_type", "event", "behavior_type", "behaviour", "behavior", "action"),
        "quantity": ("quantity", "qty", "units", "pieces", "menge", "count"),
        "value": ("value", "total", "amount", "revenue", "sales_value", "sales", "umsatz", "paid"),
        "query": ("query", "search_term", "keywords"),
        "event_id": ("event_id", "id", "line_id", "uuid", "row_id"),
    },
    "items": {
        "item_id": (
            *("item_id", "product_id", "sku", "stock_code", "article_id", "itemid", "asin", "item"),
            *("product", "article", "artikel", "ean", "isbn", "goods", "parent_asin", "id"),
        ),
        "title": ("title", "name", "product_name", "item_name", "description", "bezeichnung"),
        "category_1": (
            *("category_1", "category1", "cat_1", "cat1", "category", "department"),
            *("main_category", "aisle", "gruppe"),
        ),
        "category_2": (
            *("category_2", "category2", "cat_2", "cat2"),
            *("subcategory", "sub_category", "product_category"),
        ),
        "category_3": ("category_3", "category3", "cat_3", "cat3", "product_type", "type"),
        "brand": ("brand", "manufacturer", "store", "vendor", "marke"),
        "price": ("price", "unit_price", "list_price", "preis"),
        "description": ("description", "details", "text", "summary"),
    },
    "users": {
        "user_id": (
            "user_id",
            "customer_id",
            "user",
            "customer",
            "visitor",
            "member",
            "client",
            "id",
        ),
        "age_band": ("age_band", "age", "age_group"),
        "income_band": ("income_band", "income"),
        "household_size": ("household_size",),
    },
}
"""Table → canonical column → names, the most telling first."""

EVENT_TYPES = {
    **dict.fromkeys(("view", "pv", "click", "detail", "page_view", "product_view"), "view"),
    **dict.fromkeys(("fav", "favorite", "wishlist", "add_to_wishlist"), "view"),
    **dict.fromkeys(("cart", "add", "addtocart", "add_to_cart", "basket"), "cart"),
    **dict.fromkeys(("purchase", "buy", "transaction", "order", "sale", "bought"), "purchase"),
    **dict.fromkeys(("return", "refund", "cancel", "cancellation"), "return"),
    **dict.fromkeys(("rating", "rate", "review"), "rating"),
    "search": "search",
}
"""Types of events as shops write them → ours."""

TIME_FORMATS = (
    *("ISO 8601", "epoch_seconds", "epoch_milliseconds", "epoch_microseconds"),
    *("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
    *("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d"),
    *("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%d-%m-%Y %H:%M", "%d-%m-%Y"),
    *("%m/%d/%y %H:%M", "%d/%m/%y %H:%M", "%Y%m%d%H%M%S"),
)
"""In the order in which they are tried; the first that reads every time is proposed."""

UNSEPARATED = ("%Y%m%d", "%Y%m%d%H%M%S")
"""Formats whose times look like numbers."""
