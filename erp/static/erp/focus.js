/* The theme hides the page until it has begun, when browsers have given up putting the cursor where it belongs. */
"use strict";

document.addEventListener("alpine:initialized", () => {
  setTimeout(() => {
    const first = document.querySelector("#content-main [autofocus]");
    if (first && document.activeElement === document.body) first.focus();
  });
});
