# Runs the vectors with the Ruby functions of the page: ruby run_vectors.rb vectors.json page.rb

require ARGV[1]

vectors = JSON.parse(File.read(ARGV[0]))
application = vectors["application"]

def attempt
  yield
rescue ArgumentError
  nil
end

def named(options)
  options.transform_keys(&:to_sym)
end

urls = vectors["urls"].select { |each| each["url"] || each["read_key"] }.map do |each|
  own = application.merge(each.slice("read_key"))
  attempt { photo_url(own, each["reference"], each["size"], **named(each.slice("ext", "expires", "now"))) }
end
tickets = vectors["tickets"].select { |each| each["ticket"] }.map do |each|
  ticket(application, now: each["now"], **named(each["options"]))
end
webhooks = vectors["webhooks"].map do |each|
  attempt { verify_webhook(application, each["signature"], each["body"], now: each["now"]) }
end
puts JSON.generate({ urls: urls, tickets: tickets, webhooks: webhooks })
