"""Controls on messages: buttons, inputs, links, and what readers answered with them."""
