// The models themselves in the page: nothing is loaded before the reader switches them on.

const live = { on: false };
